"""Files of one user a line, as the flat files and passwd files are: what both need, told once.

What each room is for, from the small to the large:

    lines      what a line of either has in common: the name that it begins with
    files      opening and creating files safely, and what they are known by
    record     a file that is the lock around every change, and holds a small record between those who take it
    index      the derived file that finds a name without reading the user file
    userfile   one state of a user file: find a line, by index or by scan
    making     making an index
    growing    the index of a file that is being written, gathered by a helper
    indexing   seeing to it that there is one, by a helper
    watch      has anything changed since the last look?
    settling   when "not found" may not be believed
    ordered    the lines in order, by an external sort
    helper     the process that does long work while the child serves
"""
