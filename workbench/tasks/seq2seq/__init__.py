"""seq2seq: a target text written from a source text."""
