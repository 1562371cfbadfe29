"""Every rule of every workflow: how each stands, pause, export."""
