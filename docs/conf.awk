# conf.awk - libkep/conf.def as the list of keys of kep.conf(5), in mdoc.
#
#   awk -v sysconfdir=DIR -v sqldir=DIR -f conf.awk conf.def kep.conf.5.in
#
# The line "@KEYS@" of the last file becomes the list.

BEGIN {
	word["TEXT"] = "text"; word["BOOL"] = "yes|no"; word["COUNT"] = "number"
	word["SIZE"] = "octets"; word["TIME"] = "time"; word["MODE"] = "octal"
}

# The parts of a default, such as KEP_SYSCONFDIR "/kep/trust", as one text.
function value(expression,    out, n, part, i) {
	gsub(/KEP_SYSCONFDIR/, "\"" sysconfdir "\"", expression)
	gsub(/KEP_SQLDIR/, "\"" sqldir "\"", expression)
	n = split(expression, part, "\"")
	for (i = 2; i <= n; i += 2)
		out = out part[i]
	return out
}

/^CONF\(/ {
	row = $0
	sub(/^CONF\(/, "", row)
	key = row; sub(/,.*/, "", key)
	sub(/^[^,]*,[ \t]*/, "", row)
	type = row; sub(/,.*/, "", type)
	sub(/^[^,]*,[ \t]*/, "", row)
	match(row, /,[ \t]*"[^"]*"\)$/)
	help = substr(row, RSTART, RLENGTH)
	sub(/^,[ \t]*"/, "", help); sub(/"\)$/, "", help)
	def = value(substr(row, 1, RSTART - 1))
	gsub(/\\/, "\\e", help)
	list = list ".It Cm " key " No = Ar " word[type] "\n" help ".\n" \
		(def == "" ? "Empty by default.\n" : "Default:\n.Ql " def "\n")
	keys++
	next
}

FILENAME ~ /\.in$/ {
	if ($0 == "@KEYS@")
		printf "%s", list
	else {
		gsub(/@sysconfdir@/, sysconfdir)
		print
	}
}

END {
	if (!keys)
		exit 1
}
