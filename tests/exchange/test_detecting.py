"""What a file is taken for, and when it is asked for instead."""

from __future__ import annotations

import pytest

from nwauth.provisioning import BadPlan
from nwauth.provisioning.exchange.detecting import FORMS, detect

HASH = "{SSHA}fVtg2QtLtznn/yR4SCFOYUKYQo8x6gCd"
BCRYPT = "$2y$05$qEMRSJjS0govxc15shGDYOJukWC9u8bFBQfjrvUj6WmsRMHXj364y"
FILES = {
    "csv": [
        "name,quota\nbob,5\n",
        "Full Name,E-Mail\r\nBob,bob@test.com\r\n",
        "name\nbob\n",
        "name,url\nbob,http://x\n",
        'name,note\nbob,"his\nmodule 1\n[user]\n[[user]]"\n',
        'name,note\nbob,"a quote "" and\n[scope]\nwhose end is cut off',
    ],
    "semicolons": ["name;quota\nbob;5\n"],
    "tsv": ["name\tquota\nbob\t5\n"],
    "ndjson": ['{"name": "bob"}\n{"name": "eve"}\n', '{"name": "bob"}', '\n{"name": "bob"}\n', '{"na\n{"name": 1}\n'],
    "json": ['[\n{"name": "bob"}\n]\n', "[]", '{"user": [{"name": "bob"}]}', '{\n "user": []\n}\n'],
    "toml": [
        'defaults = { quota = "5", x = "y" }\n[[user]]\nname = "bob"\n',
        '[[user]]\nname = "bob"\n',
        '# ours\nupdate_password = "always"\n\n[[ user ]]\nname = "bob"\n',
    ],
    "passwd": [
        "root:x:0:0:root:/root:/bin/bash\nbob:*:1:1:::\n",
        "bob:x:::::\n",
        f"bob:{HASH.replace('SSHA', 'ssha')}:::Bob::\nann:!:::{{A}}::\n",  # as export writes it
    ],
    "shadow": [f"bob:{BCRYPT}:20000:0:99999:7:::\n", "root:*:20000:0:99999:7:::\neve:!:20000::::::\n"],
    "htpasswd": [
        f"bob:{BCRYPT}\neve:$apr1$x$y\n",
        "bob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
        "# x\nbob:lLKK5hkOMAbmc\n",
        "bob:!\neve:*\nada:!!\n",
        f"bob:!{BCRYPT}\neve:{BCRYPT}\n",
        f"bob:{BCRYPT}\neve:clear\n",
    ],
    "dovecot": [
        f"bob:{HASH}\n",
        f"bob:{HASH}::::::\n",
        f"bob:{HASH}:1000:1000::/home/bob::userdb_mail=maildir:~/Maildir quota=5\neve:{HASH}:::::: nologin\n",
        f"bob:{BCRYPT}\neve:{HASH}\n",
        "bob:{PLAIN}secret:1000:1000:Bob:/home/bob:/bin/sh\n",
    ],
    "nwauth": [f'bob@test.com:{HASH}:\neve:*secret:quota="5" url="http://x:80/"\n', "bob:*x:\n"],
    "multiauth": [
        "match a.com, b.com\nmodule 0\nbinary nwauth\n",
        "do_del false\nmodule 0\nbinary nwauth -path /var/lib/nwauth\nmatch *one.com\n",
    ],
}
ASKED = {
    "found nobody": ["", "\n\n", "# nobody\n"],
    "CSV or TSV": ["name,quota\tx\nbob,5\t1\n"],
    "looks like nwauth.txt (two colons on each line, behind the second nothing or info fields), but line 3 is not so:"
    " mend that, or say what it is with --from nwauth": ['bob:*x:\neve:*x:quota="5"\nada:*x:odd "text\nzoe:*x:\n'],
    "looks like an htpasswd file (a name, a colon and a hash on each line), but 2 lines are not, line 3 the first:"
    " mend that, or say what it is with --from htpasswd": [f"# ours\nbob:{BCRYPT}\neve\nada:!\nzoe:!\n\nx:y:z:9\n"],
    "found no form that all its lines have": ["bob\neve\n", "[global]\nworkgroup = X\n"[9:], "hello world\n"],
}


@pytest.mark.parametrize(("form", "text"), [(form, text) for form, texts in FILES.items() for text in texts])
def test_a_file_is_taken_for_what_it_is_and_it_is_said_why(form: str, text: str) -> None:
    found = detect(text.encode())
    assert (found.name, bool(found.why), bool(found.words)) == (form, True, True)


@pytest.mark.parametrize(("words", "text"), [(words, text) for words, texts in ASKED.items() for text in texts])
def test_what_can_be_several_forms_or_none_is_asked_for(words: str, text: str) -> None:
    with pytest.raises(BadPlan) as caught:
        detect(text.encode())
    assert words in str(caught.value)
    assert "say what it is with --from " in str(caught.value)


def test_every_form_is_found_by_its_content() -> None:
    assert set(FILES) == {*FORMS, "multiauth"}


def test_a_last_line_that_is_cut_off_does_not_count() -> None:
    assert detect(f"bob:{HASH}:\neve:{HASH[:5]}".encode()).name == "nwauth"
