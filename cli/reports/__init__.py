"""What became of a rollout, made from its workflow's history: read, made sense of, and shown in several ways.

history   events of Temporal -> what happened, in the rollout's own words
making    what happened -> the record; with timeline, stops, deeds, promise and starts, one for each part of it
record    the record: all that a report says
page      the record -> one HTML page; with chart and gantt, which draw
markdown  the record -> Markdown
screen    the record -> a terminal
"""
