/** Generates completion scripts from the options table: static text that runs no program while the user types. */
import {type Option, optionNames, options} from '../config/options.js';
import {placeholder} from './help.js';

export type Shell = 'bash' | 'zsh' | 'fish';

type Completed = {
	/** `--jobs`, with its short and negative forms. */
	readonly flags: readonly string[];
	readonly negative: string | undefined;
	readonly long: string;
	readonly short: string | undefined;
	readonly help: string;
	/** `after equals`: the value is optional, and must be attached with an equals sign; `maybe`: or be the next word. */
	readonly takes: 'nothing' | 'after equals' | 'maybe' | 'value';
	readonly values: readonly string[] | 'files' | 'directories' | 'anything';
};

/** Returns the output of `--completion SHELL`, with a final newline. */
export function completionScript(shell: Shell): string {
	const entries = optionNames.flatMap(name => describe(options[name]));
	const lines = {bash: bashScript, zsh: zshScript, fish: fishScript}[shell](entries);
	return `${lines.join('\n')}\n`;
}

function describe(option: Option): readonly Completed[] {
	const {long, short, negative, help} = option;
	if (long === undefined) return [];
	const optional = option.takesNext ? 'maybe' : 'after equals';
	const takes = option.kind === 'boolean' ? 'nothing' : option.implied === undefined ? 'value' : optional;
	const flags = [short === undefined ? [] : `-${short}`, `--${long}`].flat();
	return [{flags, long, short, negative, help, takes, values: valuesOf(option)}];
}

function valuesOf(option: Option): Completed['values'] {
	if (option.kind === 'choice') return option.choices;
	if (option.kind === 'choices') return ['none', ...option.choices];
	if (option.kind === 'yesNo') return ['yes', 'no'];
	const value = placeholder(option);
	return value.startsWith('FILE') ? 'files' : value === 'DIR' ? 'directories' : 'anything';
}

const bashPaths = {files: '-f', directories: '-d', anything: ''} as const;

function bashScript(entries: readonly Completed[]): readonly string[] {
	const cases = entries
		.filter(({takes}) => takes !== 'nothing')
		.map(({flags, takes, values}) => {
			const pattern = flags.flatMap(flag => (takes === 'after equals' ? [`${flag}=`] : [flag, `${flag}=`])).join('|');
			const action = typeof values === 'string' ? bashPaths[values] : `-W '${values.join(' ')}'`;
			const names = typeof values === 'string' ? 'compopt -o filenames; ' : '';
			const fill = action === '' ? '' : `${names}mapfile -t COMPREPLY < <(compgen ${action} -- "$current"); `;
			const unless = takes === 'maybe' ? '[[ $current == -* ]] || { ' : '';
			return `\t${pattern}) ${unless}${fill}return${unless && '; }'} ;;`;
		});
	const flags = entries.flatMap(({flags: own, negative}) => [
		...own,
		...(negative === undefined ? [] : [`--${negative}`]),
	]);
	return [
		'# bash completion for pg_back',
		'_pg_back() {',
		'\tlocal current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}',
		'\tCOMPREPLY=()',
		"\tif [[ $current == '=' ]]; then option+='='; current=''",
		"\telif [[ $option == '=' && $COMP_CWORD -ge 2 ]]; then option=${COMP_WORDS[COMP_CWORD-2]}=; fi",
		'\tcase $option in',
		...cases,
		'\tesac',
		`\tif [[ $current == -* ]]; then mapfile -t COMPREPLY < <(compgen -W '${flags.join(' ')}' -- "$current"); fi`,
		'}',
		'complete -F _pg_back pg_back',
	];
}

function zshScript(entries: readonly Completed[]): readonly string[] {
	const specs = entries.flatMap(({long, short, negative, help, takes, values}) => {
		const text = `[${help.replaceAll(/[\\[\]:]/g, String.raw`\$&`)}]`;
		const action =
			values === 'anything'
				? ' '
				: values === 'files'
					? '_files'
					: values === 'directories'
						? '_files -/'
						: `(${values.join(' ')})`;
		const value = takes === 'nothing' ? '' : takes === 'value' ? `: :${action}` : `:: :${action}`;
		const equals = takes === 'nothing' ? '' : takes === 'after equals' ? '=-' : '=';
		return [
			...(short === undefined ? [] : [`*-${short}${takes === 'value' ? '+' : ''}${text}${value}`]),
			`*--${long}${equals}${text}${value}`,
			...(negative === undefined ? [] : [`*--${negative}[disables --${long}]`]),
		];
	});
	return [
		'#compdef pg_back',
		'_arguments -s -S \\',
		...specs.map(spec => `\t'${spec.replaceAll("'", String.raw`'\''`)}' \\`),
		"\t'*:database or pattern: '",
	];
}

function fishScript(entries: readonly Completed[]): readonly string[] {
	const quote = (text: string) => `'${text.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
	const lines = entries.flatMap(({long, short, negative, help, takes, values}) => {
		const choices = typeof values === 'string' ? '' : ` -a ${quote(values.join(' '))}`;
		const kind =
			takes !== 'value'
				? ''
				: values === 'files'
					? ' -r -F'
					: values === 'directories'
						? " -x -a '(__fish_complete_directories)'"
						: ' -x';
		const names = `${short === undefined ? '' : ` -s ${quote(short)}`} -l ${long}`;
		return [
			`complete -c pg_back${names}${kind}${takes === 'nothing' ? '' : choices} -d ${quote(help)}`,
			...(takes === 'maybe' ? [`complete -c pg_back -n '__fish_prev_arg_in --${long}'${choices}`] : []),
			...(negative === undefined ? [] : [`complete -c pg_back -l ${negative} -d ${quote(`disables --${long}`)}`]),
		];
	});
	return ['# fish completion for pg_back', 'complete -c pg_back -f', ...lines];
}
