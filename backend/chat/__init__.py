"""The tutor: questions, streamed answers that cite their sources, and the conversations they make up."""
