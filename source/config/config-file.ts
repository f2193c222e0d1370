/** Parses the text of a config file to the values of its options, and collects every problem. */
import {display} from '../lib/display.js';
import {didYouMean} from '../lib/suggest.js';
import {globalSection, type IniEntry, parseIni} from './ini.js';
import {type AnyValue, configKeys, type OptionName, options} from './options.js';
import {type Problem, type Sourced} from './origin.js';
import {readValue} from './values.js';

export type ConfigFile = {
	readonly path: string;
	readonly values: ReadonlyMap<OptionName, Sourced>;
	/** Parameters of the whole run that are present and empty: they request the default. */
	readonly cleared: ReadonlySet<OptionName>;
	/** Keyed by database. */
	readonly sections: ReadonlyMap<string, ReadonlyMap<OptionName, Sourced>>;
	readonly problems: readonly Problem[];
};

/** Never throws: errors are in `problems`. */
export function readConfigFile(text: string, path: string): ConfigFile {
	const {sections, problems: grammarProblems} = parseIni(text);
	const found = grammarProblems.map(({line, text: problem}) => ({line, problem}));
	const databases = new Map<string, ReadonlyMap<OptionName, Sourced>>();
	let values: ReadonlyMap<OptionName, Sourced> = new Map();
	const cleared = new Set<OptionName>();
	for (const [section, entries] of sections) {
		const read = new Map<OptionName, Sourced>();
		const [first] = entries.values();
		if (isUndecoded(section) && first) found.push({line: first.line, problem: `the name of its section ${undecoded}`});
		for (const [key, entry] of entries) {
			const result = readEntry(section, key, entry, found.length < suggestedFor);
			if (result.problem !== undefined) found.push({line: entry.line, problem: result.problem});
			else if (result.value !== undefined) {
				read.set(result.name, {value: result.value.value, origin: {kind: 'file', path, line: entry.line}});
			} else if (section === globalSection) cleared.add(result.name);
		}
		if (section === globalSection) values = read;
		else databases.set(section, read);
	}
	const problems = found
		.toSorted((a, b) => a.line - b.line)
		.map(({line, problem}): Problem => ({on: 'file', text: `${path}:${line}: ${problem}`}));
	return {path, values, cleared, sections: databases, problems};
}

/** Suggestions compare with every parameter, which takes minutes in a large file that is not a configuration. */
const suggestedFor = 100;

const undecoded = 'is not valid UTF-8: convert the file with iconv';

/** The decoder leaves this character where it finds an invalid byte: a different value, such as another passphrase. */
function isUndecoded(text: string): boolean {
	return text.includes('\uFFFD');
}

type Result =
	| {readonly problem: string}
	/** Without a value: the entry is empty and means the default. */
	| {readonly problem?: undefined; readonly name: OptionName; readonly value?: {readonly value: AnyValue}};

function readEntry(section: string, key: string, entry: IniEntry, suggests: boolean): Result {
	const name = configKeys.get(key);
	const inSection = section !== globalSection;
	if (name === undefined) {
		return {problem: `unknown parameter ${display(key)}${suggests ? keyHint(key, inSection) : ''}`};
	}
	const option = options[name];
	if (inSection && option.perDatabase === undefined) {
		return {problem: `${key} is a parameter of the whole run and is not allowed in the section [${display(section)}]`};
	}
	if (!inSection && option.perDatabase === 'only') {
		return {problem: `${key} is a parameter of one database and is only allowed in a section such as [mydb]`};
	}
	// Empty words in a section mean "none", any other empty value means "as elsewhere". A boolean without a default must
	// have a value.
	const decides = option.kind === 'boolean' && option.default === undefined;
	if (entry.value === '' && !decides && !(inSection && option.kind === 'words')) return {name};
	if (isUndecoded(entry.value)) return {problem: `${key}: the value ${undecoded}`};
	const read = readValue(option, entry.value, 'file');
	if (read.problem === undefined) return {name, value: read};
	return {problem: `${key}: ${option.secret ? withoutQuotation(read.problem) : display(read.problem)}`};
}

// An invalid secret must not be repeated in an error.
function withoutQuotation(problem: string): string {
	return problem.replace(/^".*"(?= )/s, 'the value');
}

function keyHint(key: string, inSection: boolean): string {
	const keys = [...configKeys]
		.filter(([, name]) => !inSection || options[name].perDatabase !== undefined)
		.map(([one]) => one);
	const asFlag = Object.values(options).find(
		option => option.key === undefined && option.long === key.replaceAll('_', '-'),
	);
	if (asFlag?.long !== undefined) return `: --${asFlag.long} is only allowed on the command line`;
	return didYouMean(key, keys);
}
