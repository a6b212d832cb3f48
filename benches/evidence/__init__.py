"""The parts of `benches/evidence_recall.py`: reading conversations, selecting messages, summing up."""
