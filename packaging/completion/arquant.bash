# Completion of arquant and arquantd for bash. Verbs, options and what options take come from --help
# itself.

# The verbs that `$@ --help` lists: two spaces, a word, two or more spaces, what it does.
_arquant_verbs() {
	"$@" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p'
}

# What `$@ --help` says of options, one option and the name of its value a line.
_arquant_described() {
	"$@" --help 2>/dev/null | sed -n -E 's/^ +(-[^ ].*)$/\1/; T; s/  .*//; p' | awk '{
		value = $NF ~ /^-/ && $NF !~ /^-$/ ? "" : $NF
		for (i = 1; i <= NF; i++) { sub(/,$/, "", $i); if ($i ~ /^-./) print $i, value }
	}'
}

# Options of the usage lines, too: those that are described nowhere.
_arquant_options() {
	"$@" --help 2>/dev/null | grep -o -E -- '(^|[ ,[(|])--?[a-zA-Z][a-z-]*' | sed 's/^[ ,[(|]*//'
}

_arquant() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} given
	local command=("${COMP_WORDS[0]}") choices

	COMPREPLY=()
	for given in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $given == -* ]] && break
		_arquant_verbs "${command[@]}" | grep -q -x -F -- "$given" || break
		command+=("$given")
	done
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_arquant_options "${command[@]}")" -- "$word")
		return
	fi
	choices=
	if [[ $previous == -* ]]; then
		choices=$(_arquant_described "${command[@]}" |
			awk -v option="$previous" '$1 == option { print $2; exit }')
	fi
	case $choices in
	FILE*)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	MODE) choices="auto native generic" ;;
	KEY) choices="flow source destination service reason quic" ;;
	TERM) choices="slot= verdict= reason= rule= service= from= to= flow= proto=" ;;
	"" | "["*)
		choices=$(_arquant_verbs "${command[@]}")
		[ -n "$choices" ] || choices=$(ls /sys/class/net 2>/dev/null)
		;;
	*) return ;; # a value that only its giver knows
	esac
	mapfile -t COMPREPLY < <(compgen -W "$choices" -- "$word")
}

complete -F _arquant arquant arquantd
