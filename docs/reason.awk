# reason.awk - libkep/reason.def as the lists of kep-reasons(7), in mdoc.
#
#   awk -f reason.awk reason.def kep-reasons.7.in
#
# The line "@REASONS@" of the last file becomes a subsection for each part of the table.

function text(words) {
	gsub(/\\/, "\\e", words)
	return words ~ /^[.']/ ? "\\&" words : words
}

function close_list() {
	if (open)
		list = list ".El\n"
	open = 0
}

/^\/\* .*\. ?\*\/$/ && FILENAME ~ /\.def$/ {
	heading = $0
	sub(/^\/\* /, "", heading); sub(/\. ?\*\/$/, "", heading)
	next
}

/^REASON\(/ {
	split($0, part, "\"")
	code = part[3]
	gsub(/[^0-9]/, "", code)
	if (heading != shown || !open) {
		close_list()
		list = list ".Ss " (heading == "" ? "The answers that are none of these" : heading) "\n.Bl -tag -width Ds\n"
		shown = heading
		open = 1
	}
	list = list ".It Cm " part[2] " Pq " code " " part[4] "\n" text(part[6]) ".\n.br\n" text(part[8]) ".\n"
	rows++
	next
}

FILENAME ~ /\.in$/ {
	close_list()
	if ($0 == "@REASONS@")
		printf "%s", list
	else
		print
}

END {
	if (!rows)
		exit 1
}
