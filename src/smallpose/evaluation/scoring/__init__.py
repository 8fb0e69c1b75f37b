"""Count matches and turn them into precision, recall and intervals."""
