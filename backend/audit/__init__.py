"""Reading the audit log. Rows are written where the acts are done, in their transactions."""
