"""Password fields made by other programs; nothing here was made by nwauth.

Each row: the name we give the scheme, the password, the field.  Two passwords: plain, and with bytes over 127.
"""

SECRET = b"secret"
GREETING = "Grüße, Welt".encode()

# libcrypt 4.4.33 (Debian 12): crypt_rn of the password and the part before the last digest
LIBCRYPT = [
    ("des-crypt", SECRET, "abNANd1rDfiNc"),
    ("des-crypt", GREETING, "abkpzmEPq4NEA"),
    ("md5-crypt", SECRET, "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"),
    ("md5-crypt", GREETING, "$1$abcdefgh$la60/.f0ZtRbifAtewu6w1"),
    ("sha256-crypt", SECRET, "$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4"),
    ("sha256-crypt", GREETING, "$5$rounds=1000$abcdefgh$Z4rnGpiSiR7HOrKqJt.ZGVSsw9QtpqyMk.IP200.EM1"),
    (
        "sha512-crypt",
        SECRET,
        (
            "$6$rounds=1000$abcdefgh$"
            "nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5hR2.peKEg2VGUqIJJu1"
        ),
    ),
    (
        "sha512-crypt",
        GREETING,
        (
            "$6$rounds=1000$abcdefgh$"
            "aRU6Qpy04KWAD7K/W5H9fWCYX29vBrFWJmjUE3qeVR60WKfmC/5ebYAnP1mQ2IlDYxvlY8A7U6bCbL3aUCZA.."
        ),
    ),
    ("bcrypt", SECRET, "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
    ("bcrypt", GREETING, "$2b$04$abcdefghijklmnopqrstuuW8MkzwWh5wBYyvl6DFGFz/xef4gcevq"),
    ("bcrypt", SECRET, "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
    ("bcrypt", GREETING, "$2a$04$abcdefghijklmnopqrstuuW8MkzwWh5wBYyvl6DFGFz/xef4gcevq"),
    ("scrypt", SECRET, "$7$4/..../....abcdefgh$AGY1UBNbbD5l7T4FpD/5vDTzTLiglybeT5u2GNor8U3"),
    ("scrypt", GREETING, "$7$4/..../....abcdefgh$M3f4HBr/QPi9Svc7OMebiRElbb8fmDfkyoBJANvCS.A"),
    ("yescrypt", SECRET, "$y$j75$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01"),
    ("yescrypt", GREETING, "$y$j75$abcdefgh$NHG58pQ2Fwfb3pym4FdhI2HsvUHF/XgbGKsGdHbL4rB"),
    ("gost-yescrypt", SECRET, "$gy$j75$abcdefgh$lRD8hCfuUnaykqHEd24aR4OED0E.hiL5k0lM9Kg0qT5"),
    ("gost-yescrypt", GREETING, "$gy$j75$abcdefgh$mrY.9QNr1menD6o.fAwqLssSePdf9hZjviUkMi3pXdB"),
]

# htpasswd of apache2-utils 2.4.71-1~deb12u1: -nbB -C 4, -nbm, -nbs, -nbd, -nb2 -r 1000, -nb5 -r 1000
HTPASSWD = [
    ("bcrypt", SECRET, "$2y$04$qvtxSDfmopamxRMY146KDudh5YgpJJHpABeSEL1f/8hgf6GZBEgeO"),
    ("apr1", SECRET, "$apr1$jVqRSIVH$X0q1zr2txQs82aHb3Z5c0/"),
    ("sha", SECRET, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    ("des-crypt", SECRET, "ShGgmGEzKTEag"),
    ("sha256-crypt", SECRET, "$5$rounds=1000$kihvzNDoHnNuEfCd$.e1Jg9EOv4o6enzT3Z5LcejsrxGoD.IdAHleYvccug3"),
    (
        "sha512-crypt",
        SECRET,
        (
            "$6$rounds=1000$1BnTDSmvBmIGI4cO$"
            "jj4kCYfwAvTwGX.TzAhS2pWXlg5Rj2iReBoCVqVVbwfmo8ij7Z.j2KM72t9EATOJn0IdV7FkZe/WBrKPjVH1o."
        ),
    ),
    ("bcrypt", GREETING, "$2y$04$w61U3bzCXWt1sz9KgkmrkOMheJiJRwJ9CRYcuItMulJS7K0UIDQmy"),
    ("apr1", GREETING, "$apr1$i8ykFxdj$TzHV.89EJbTsSjl1lvV6p0"),
    ("sha", GREETING, "{SHA}S8i5+znM1A6RcclEscpASQvbqBQ="),
    ("des-crypt", GREETING, "uhvVAZuN88X3U"),
]

# openssl passwd of OpenSSL 3.0.19: -1, -5, -6, -apr1, each with -salt
OPENSSL = [
    ("sha256-crypt", SECRET, "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA"),
    ("sha256-crypt", GREETING, "$5$saltsalt$CQgxhEsPI4wSua2rVNK/sjawybSpF/mh170L0h2zom5"),
    (
        "sha512-crypt",
        SECRET,
        "$6$ABCDEFGHabcdefgh$IPWBnpPkx8ZiVw0AurO8G1Gwy5A9ZO/s34XXXOu.owrlIwH3fmV4IU/0xh6vUnKDOmGsRuZIF6tf.la/393d0.",
    ),
    ("apr1", SECRET, "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/"),
    ("apr1", GREETING, "$apr1$abcdefgh$zLuibTyfcFF1m4b6dLRGc/"),
]

# mkpasswd of whois 5.5.17: -m yescrypt -R 1, gost-yescrypt -R 1, scrypt -R 6, bcrypt -R 5 (it adds one), bcrypt-a,
# md5crypt, descrypt; the last two are yescrypt -R 6 and -R 5, for the cost in the parameters
MKPASSWD = [
    ("yescrypt", SECRET, "$y$j75$hJzl2O1utcbh8COe.JCxb1$umcYUMznvhcW5fNE51XfVn.W/RucqTzHK9WYFqh30F5"),
    ("yescrypt", GREETING, "$y$j75$fxDax.03Xtaz5vxDeN8t30$WQ6Ycc8YOdr.HAPKtFIEnplSvV27SHV4OXBwwe.0I37"),
    ("gost-yescrypt", SECRET, "$gy$j75$0IcvOvKpeyia0Wuc76t2./$lJg6v1ftQajFI.VslQF03Sto4al1wBE21x9N2BS3wVC"),
    ("scrypt", SECRET, "$7$BU..../....MYwzzk2/B2OLDgX3KSaxw.$cMW8vU0czDHokvD6gx/KeIaiz23qzHheL7RNWVWper4"),
    ("bcrypt", SECRET, "$2b$05$GqhdeE7NT0tjocnbFr0ueOjQmcH5UjJ9zJzEsPF8aCGMXDFZdNA4C"),
    ("bcrypt", GREETING, "$2a$05$Q0yvQ1oJRsTxFRf3NqNJU.7QR2EHX9PmI.PwQ047RMKpd2z8o/DDS"),
    ("md5-crypt", SECRET, "$1$krekN4ER$e8lK7jNlTsCaGbDtCO5LL1"),
    ("des-crypt", SECRET, "YiqrtylQ9BPFI"),
    ("yescrypt", SECRET, "$y$jAT$CWVX8KsyJoNaWFpPcDzxt0$eIbHb3odvH/gRvtEMHpx4oSidHXonj8Tvle2PvOBfH0"),
    ("yescrypt", SECRET, "$y$j9T$doWEv8rMN8y3kCQbYEiNQ/$FxkFQ1S9i2p.WQqp43NOwEgRqYIxso36MYSHv71NMx8"),
]

# doveadm -O pw -s SCHEME of dovecot-core 2.3.19.1 (-r 4 for blowfish, -r 1000 for SHA crypt and PBKDF2)
DOVEADM = [
    ("ssha", SECRET, "{SSHA}Eeq9HrDu8VWBynFkPxWBwYr6A9Vabald"),
    ("ssha256", SECRET, "{SSHA256}/KGhh5WYQf1yWP0JFm1dv9COew26YUUEgBtCdye0QEDBlE2+"),
    (
        "ssha512",
        SECRET,
        "{SSHA512}vSSbHN/Nz243dvN9IFX3tefIe+Xd/L5qcjmGS4nMHbKnC6boYKTzEBaZ9cA9BtZfMK6Wih+Mo9i1p/GJ8AQj58yYqO4=",
    ),
    ("sha", SECRET, "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    ("sha", SECRET, "{SHA1}5en6G6MezRroT3XKqkdPOmY/BfQ="),
    ("sha256", SECRET, "{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols="),
    (
        "sha512",
        SECRET,
        "{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==",
    ),
    ("md5-crypt", SECRET, "{MD5}$1$QV1eb7Re$N2o78HK8EfCoRzFF/3TiR."),
    ("smd5", SECRET, "{SMD5}+YhoeNnpItR9YYUyTbrEwR90Uhs="),
    ("md5", SECRET, "{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69"),
    ("md5", SECRET, "{LDAP-MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ=="),
    ("bcrypt", SECRET, "{CRYPT}$2y$04$HE7ZkFWwNxVPRr4aos9ytOuUNZlZoh.xTpjyBEBgEsa9b4rv5LnKi"),
    ("des-crypt", SECRET, "{DES-CRYPT}bvMgpLJj37y0g"),
    ("md5-crypt", SECRET, "{MD5-CRYPT}$1$XoduZACI$cCCseMOuwvM9LKqQXdgbv1"),
    (
        "sha256-crypt",
        SECRET,
        "{SHA256-CRYPT}$5$rounds=1000$CnWMW505leiEtVdT$uL.YNHU/ZvCGl/ReS130X.U5hDfct5uxSb8BahDnfn3",
    ),
    (
        "sha512-crypt",
        SECRET,
        (
            "{SHA512-CRYPT}$6$rounds=1000$krnytWj24BMY6M4q$"
            "9S/QpQM7V4qMzpy9SruxaPuU77/tYzUdprn2EjHwK/dTn3RX/wco5cDEFRXdSo/XMTwPij3cFlQv3O7NhDa9U1"
        ),
    ),
    ("bcrypt", SECRET, "{BLF-CRYPT}$2y$04$Ro8fbVaZ5cMihgJTaWihHuq9kCeEF9eP2KZLWo1Ni1jmGeZqgbapO"),
    (
        "argon2i",
        SECRET,
        "{ARGON2I}$argon2i$v=19$m=32768,t=5,p=1$OuvaVFLs+6M6v94h76krrg$UAwV1VpLVWTy5niWimG3C/dOKl/89OiB8/wqP87XPTA",
    ),
    ("pbkdf2", SECRET, "{PBKDF2}$1$xThyAb6TV9UDdJV4$1000$0ce9365427862d9ecfc69f645c2ed9e882abd790"),
    ("clear", SECRET, "{PLAIN}secret"),
    ("clear", SECRET, "{CLEAR}secret"),
    ("clear", SECRET, "{CLEARTEXT}secret"),
    ("ssha", SECRET, "{SSHA.HEX}cc4b11ebc5910f8cbf4138a46d49dc8ea922f768cebbb3b8"),
    ("ssha256", SECRET, "{SSHA256.B64}La+sVYsh64nDUr9EdCW6Q5Fuw6E8rrX157F3+NhMcufmKu8T"),
    ("sha256", SECRET, "{SHA256.HEX}2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
    ("sha", SECRET, "{SHA.HEX}e5e9fa1ba31ecd1ae84f75caaa474f3a663f05f4"),
    ("smd5", SECRET, "{SMD5.HEX}8b06ac116803707e731a2675abf80c18852974a0"),
    ("ssha", GREETING, "{SSHA}ZER84ScA7RxaHxxSvS4XKlO6nwtFfOZs"),
    ("ssha256", GREETING, "{SSHA256}ItiM5fvA3uHbZHFppQW5AX2qj+AfL5ZtTUKdzdmQZFhBReNG"),
    ("smd5", GREETING, "{SMD5}3XsDNC6PWKmvUO2tFWQPeTBsKzA="),
    ("des-crypt", GREETING, "{DES-CRYPT}QUXyrtZTusm2c"),
    ("pbkdf2", GREETING, "{PBKDF2}$1$RLybjhmSPqtb3ik3$1000$224e58c96d2f655b2c596e037849f4d1326becbd"),
    ("clear", GREETING, "{PLAIN}Grüße, Welt"),
]
# the same program's default for ARGON2ID: 1 GiB and 5 passes, which must be within what is tried
DOVEADM_ARGON2ID = (
    "{ARGON2ID}$argon2id$v=19$m=1048576,t=5,p=1$R4ppaW2O3B+/eWnpCQP2rg$hyIiQ8/u3GvSPALL6WMxbFaEoEFOBfAwbeZExKOL+HI"
)

# libpass 1.9.4 (with argon2-cffi 25.1): ldap_pbkdf2_* and argon2 with using(rounds=1000) or (memory_cost=8,
# time_cost=1, parallelism=1), ldap_salted_sha1 with an 8-byte salt
LIBPASS = [
    ("pbkdf2", SECRET, "{PBKDF2}1000$MMZ4L0WI8V7rHUNo7d279w$TtcCGqS9NxiCrgCDahXE9JvWvkI"),
    ("pbkdf2-sha256", SECRET, "{PBKDF2-SHA256}1000$hNDae885xxgjpBQC4DwHYA$CiKFJ/DxWqvyTHnN9m.yoUsc3BesJ1OYx.Xi5jP5rKQ"),
    (
        "pbkdf2-sha512",
        SECRET,
        (
            "{PBKDF2-SHA512}1000$Qch5z5kTQmit9R5j7N37Xw$"
            "leuUyiH4RRxGkKn1KYYezpSEUXMzan0w5IGuMOGak8SRzRspsgKYnLqFd6lEC94cOh8sq2C8eLhGKe5Bo1qvFA"
        ),
    ),
    (
        "argon2id",
        SECRET,
        "$argon2id$v=19$m=8,t=1,p=1$f8+Zs5aSMgaAUAoBIMT4Pw$Xlxfbfw/9khQ7nIPPZmzEgULc2KkYtcivFHtdw8g7Gc",
    ),
    (
        "argon2id",
        GREETING,
        "{argon2id}$argon2id$v=19$m=8,t=1,p=1$VWqtNSYkpJQSIuSc8z7HGA$K7xX9o10RBycnUIrlCN/rHcyuB3NLahm9BqJcNF9W2I",
    ),
    (
        "argon2i",
        SECRET,
        "$argon2i$v=19$m=8,t=1,p=1$mnMOQej9P0cI4bw3BmAs5Q$p40s8cfJRRP2NwSjG3bB7f2gwnnwy5HQRt0f20K6E2I",
    ),
    (
        "argon2d",
        SECRET,
        "$argon2d$v=19$m=8,t=1,p=1$eA9h7B0jRIjxHsP4PweAEA$Z+kUnMNE1aOjhlvTaMsBD9dCjDsoh/UVS0nqUWYhazg",
    ),
    ("ssha", SECRET, "{SSHA}yduhalGSkiu5Fd1RQlTYDimWNoGXshZijBGCEA=="),
]

# the published lines of SurgeNews (reference/netwin.md 11.6)
NETWIN_SSHA = [
    ("ssha", b"qwerty", "{ssha}BuFLjIFUUSy1IltX3AuN420qV2ZFU7EL"),
    ("ssha", b"test", "{ssha}Vw8EkFxAJuiZrb98Fz+sdr/yEEmBZ2Jc"),
]
# NWAuth 2.0's weak hash by its published rule (reference/netwin.md 11.7)
NETWIN_WEAK = [("netwin-weak", b"test", "qrYSZI"), ("netwin-weak", b"pass", "qrIWZA")]

ALL = [*LIBCRYPT, *HTPASSWD, *OPENSSL, *MKPASSWD, *DOVEADM, *LIBPASS, *NETWIN_SSHA]
NO_LOGIN = ["", "!", "!!", "*", "x", "*LK*", "*NP*", "!$6$rounds=1000$abcdefgh$x", "*secret", "!secret", "{CRYPT}!"]
UNKNOWN = ["secret", "{FOO}secret", "$9$abc$def", "$", "$$", "{", "{}", "{CRYPT}{PLAIN}secret", "{CRYPT}secret",
           "{PLAIN.B64}c2VjcmV0", "{SHA.XYZ}00", "_J9..abcdIPPmXD22F8s", "secret1234567!", "$2x$04$abc"]  # fmt: skip
