# Completion of arquant and arquantd for fish. Verbs and options come from --help itself.

# The command and those of its verbs that stand on the line.
function __arquant_command
	set -l words (commandline -opc)
	set -l command $words[1]
	for word in $words[2..]
		string match -q -- '-*' $word; and break
		$command --help 2>/dev/null | string match -qr "^  $word  "; or break
		set -a command $word
	end
	string join \n -- $command
end

function __arquant_words
	set -l command (__arquant_command)
	set -l verbs ($command --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*)  +(\S.*)$' '$1\t$2')
	test (count $verbs) -gt 0; or set verbs (command ls /sys/class/net 2>/dev/null)
	string join \n -- $verbs
end

function __arquant_options
	set -l command (__arquant_command)
	$command --help 2>/dev/null | string match -ar -- '(?<=^|[ ,\[(])--?[a-z][a-z-]*'
end

for name in arquant arquantd
	complete -c $name -f
	complete -c $name -n 'not string match -q -- "-*" (commandline -ct)' -a '(__arquant_words)'
	complete -c $name -n 'string match -q -- "-*" (commandline -ct)' -a '(__arquant_options)'
	complete -c $name -r -s c -l config -F
end
