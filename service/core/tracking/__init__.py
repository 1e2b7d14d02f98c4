"""What a person sees of a job, by its record and its execution's history."""
