"""The channels by which people hear of alerts: a webhook and e-mail. Each sends once; what follows is the courier's."""
