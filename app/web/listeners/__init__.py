"""Listeners: the door that they call, and the pages on which admins set them up."""
