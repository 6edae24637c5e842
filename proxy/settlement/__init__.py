"""What a request used and how it ended, recorded once. Charging joins here."""
