"""What people have, turned into a task folder."""
