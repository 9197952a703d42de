"""The screen: its processes, its windows, its keyboard and mouse, and its picture."""
