"""The sandbox: runs student code where it can reach nothing, and brings back plain data only."""
