"""What each command does, from files to files. Commands parse flags and call these."""
