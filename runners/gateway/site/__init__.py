"""The site that pages stand in: the door, the frame of a page, its files, and what is sent to live pages."""
