"""The commands: thin asynchronous shells between a Session and the pure parts."""
