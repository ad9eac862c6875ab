# Completion of arquant and arquantd for fish. Verbs, options and what options take come from --help
# itself.

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

# The name of the value that the option before the cursor takes.
function __arquant_value
	set -l previous (commandline -opc)[-1]
	string match -q -- '-*' $previous; or return
	set -l command (__arquant_command)
	for line in ($command --help 2>/dev/null | string replace -rf '^ +(-\S.*)$' '$1' | string replace -r '  .*' '')
		set -l parts (string split ' ' -- (string replace -a ',' '' -- $line))
		contains -- $previous $parts; or continue
		string match -qr -- '^-.' $parts[-1]; or echo $parts[-1]
		return
	end
end

function __arquant_words
	set -l command (__arquant_command)
	switch (__arquant_value)
		case 'FILE*'
			__fish_complete_path (commandline -ct)
		case MODE
			string join \n auto native generic
		case KEY
			string join \n flow source destination service reason quic
		case TERM
			string join \n slot= verdict= reason= rule= service= from= to= flow= proto=
		case '' '[*'
			set -l verbs ($command --help 2>/dev/null | string replace -rf '^  ([a-z][a-z-]*)  +(\S.*)$' '$1\t$2')
			test (count $verbs) -gt 0; or set verbs (command ls /sys/class/net 2>/dev/null)
			string join \n -- $verbs
	end
end

function __arquant_options
	set -l command (__arquant_command)
	$command --help 2>/dev/null | string match -ar -- '(?<=^|[ ,\[(|])--?[a-zA-Z][a-z-]*'
end

for name in arquant arquantd
	complete -c $name -f
	complete -c $name -n 'not string match -q -- "-*" (commandline -ct)' -a '(__arquant_words)'
	complete -c $name -n 'string match -q -- "-*" (commandline -ct)' -a '(__arquant_options)'
end
