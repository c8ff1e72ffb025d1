"""Access rules of other programs, as rules of ours with the same meaning, or with a remark where it is another.

pamtime    the lines of pam_time's time.conf
logic      the fields of such a line: logic lists of names, and of days with times
people     the users that a line is for
shields    lines that hold for all but some, as rules of which the first that fits decides
logintime  Login-Time of FreeRADIUS and UUCP
allownets  allow_nets of Dovecot
week       the minutes of a week, as the `when` of a rule
written    the policy file that comes out
"""
