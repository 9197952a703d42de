"""Commands of an agent, carried out where they can reach nothing but their own folder."""
