"""Reports as one HTML page that needs nothing beside itself: `page.py` is the frame, `parts.py` its blocks."""
