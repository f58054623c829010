"""What every request took, and, where the tenant consents, what it takes to run it again."""
