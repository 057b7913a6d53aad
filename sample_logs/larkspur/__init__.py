"""Larkspur, a made-up online plant shop: the traffic behind the sample logs, and the writers of its log files."""
