"""Bad input of every kind, by the hundred thousand: ``python -m tests.fuzz``.

calls     every public call and option, with arguments that make no sense
contexts  what a running task may ask for, and how it may end
commands  the command line's arguments
bodies    stored tasks wherever they may lie, spoiled beside healthy neighbours
records   every other key: fields, members, types; missing ones too
instance  keys that all share, of a wrong type for a while

Each input follows from the seed and its number alone, so one that fails can be repeated alone.
"""
