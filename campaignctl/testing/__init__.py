"""What users test their campaigns with: scenario files, run by the real engine in virtual time."""
