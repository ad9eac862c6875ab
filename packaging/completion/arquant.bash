# Completion of arquant and arquantd for bash. Verbs and options come from --help itself.

# The verbs that `$@ --help` lists: two spaces, a word, two or more spaces, what it does.
_arquant_verbs() {
	"$@" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ ].*/\1/p'
}

_arquant_options() {
	"$@" --help 2>/dev/null | grep -o -E -- '(^|[ ,[(])--?[a-z][a-z-]*' | sed 's/^[ ,[(]*//'
}

_arquant() {
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} given
	local command=("${COMP_WORDS[0]}") verbs

	COMPREPLY=()
	case $previous in
	-c | --config | -w | --write | --pcap)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
		;;
	esac
	for given in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		[[ $given == -* ]] && break
		_arquant_verbs "${command[@]}" | grep -q -x -F -- "$given" || break
		command+=("$given")
	done
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_arquant_options "${command[@]}")" -- "$word")
		return
	fi
	verbs=$(_arquant_verbs "${command[@]}")
	[ -n "$verbs" ] || verbs=$(ls /sys/class/net 2>/dev/null)
	mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$word")
}

complete -F _arquant arquant arquantd
