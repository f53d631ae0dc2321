"""What users get who call each library as its documentation does."""
