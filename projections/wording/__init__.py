"""Words for people: events in sentences, content keys in words, and untrusted text without control characters."""
