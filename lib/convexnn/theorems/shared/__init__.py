"""Ideas that more than one theorem uses; they know no theorem."""
