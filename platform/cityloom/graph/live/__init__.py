"""Subscriptions: who asks the same with the same rights is told by one statement, over websockets or SSE."""
