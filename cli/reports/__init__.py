"""What became of a rollout, made from its workflow's history: read, made sense of, and shown in several ways.

sources   a file or the server -> events of Temporal
history   events -> what has happened, of the kinds in happened
making    what happened -> the record; with timeline, promise, starts, stops, deeds, phases and stages, one a part
record    the record: all that a report says
page      the record -> a page of HTML; with chart and gantt, which draw on a scale
markdown  the record -> Markdown
screen    the record -> a terminal; words and tables are the same in all three
"""
