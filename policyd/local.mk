# policyd
