# What a real zsh offers: zsh -f zsh-complete.zsh DIRECTORY LINE, where DIRECTORY holds the file _pg_back and LINE is what has been
# typed when the tab key is pressed. Prints one line for each word that would be offered. An interactive shell runs in a
# pseudo-terminal, and tells what its completion functions add instead of showing it.
zmodload zsh/zpty || exit 3
zpty shell zsh -f -i
local line
() {
	zpty -w shell "source $1"
	repeat 50; do
		zpty -r shell line || exit 2
		[[ $line == ready* ]] && return
	done
	exit 2
} =(<<< "fpath=(${(q)1} \$fpath)"'
PROMPT=
stty -echo
autoload -Uz compinit
compinit -u -D
bindkey "^M" undefined
bindkey "^J" undefined
bindkey "^I" complete-word
mark() { print -r -- "<mark>" }
compprefuncs=(mark)
comppostfuncs=(mark exit)
zstyle ":completion:*" insert-tab false
compadd() {
	if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
		builtin compadd "$@"
		return
	fi
	typeset -a hits
	builtin compadd -A hits "$@"
	(( $#hits )) && print -rl -- "offer:"$^hits
	builtin compadd "$@"
}
print ready')
zpty -w -n shell "$2"$'\t'
integer marks=0
while zpty -r shell line; do
	for one in ${(f)line}; do
		one=${one%$'\r'}
		[[ $one == *'<mark>' ]] && (( ++marks == 2 )) && exit 0
		(( marks == 1 )) && [[ $one == offer:* ]] && print -r -- ${one#offer:}
	done
done
exit 2
