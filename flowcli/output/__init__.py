"""Where results go, what they are, and how they are written: from a flow to its files, pictures and videos."""
