"""The version of Advisor; packaging reads it here, and so do records, whatever the distribution is called."""

VERSION = "0.1.0"
