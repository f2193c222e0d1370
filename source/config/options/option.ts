/** What an entry of the options table says. The types of the settings are derived from the entries. */

export const groups = [
	'General',
	'Connection',
	'What to dump',
	'How to dump',
	'Checks and encryption',
	'Retention',
	'Remote storage',
	'S3',
	'Backblaze B2',
	'SFTP',
	'Google Cloud Storage',
	'Azure',
	'Decrypt, list and download',
	'Output and monitoring',
] as const;
export type Group = (typeof groups)[number];

/** The kind of an option decides how its text is read and what its value is. */
type Values = {
	boolean: boolean;
	/** A boolean that takes `yes` or `no` on the command line. */
	yesNo: boolean;
	/** Go's base-0 spelling: 10, 0x1f, 0o17, 017, 0b1, 1_000. */
	integer: number;
	string: string;
	list: readonly string[];
	/** Split as a shell does, without expansion. */
	words: readonly string[];
	/** File permissions; undefined: left to the umask. */
	mode: number | undefined;
	/** How many to keep; Infinity for `all`. */
	keep: number;
	/** Milliseconds: older than that. Negative: in the future. */
	interval: number;
	/** Seconds: a whole number, or a duration with units. */
	seconds: number;
	/** Milliseconds. */
	duration: number;
	/** Bytes: a number with an optional K, M, G or T. */
	bytes: number;
	/** A level as a number; `auto`, or a method with its details, as a text. */
	compression: number | string;
	choice: string;
};
export type Kind = keyof Values;

type Common = {
	/** Absent for a setting that only a config file has. */
	readonly long?: string;
	readonly short?: string;
	/** Its key in the config file. */
	readonly key?: string;
	/** `also`: may stand in a database section too. `only`: stands nowhere else. */
	readonly perDatabase?: 'also' | 'only';
	/** The command line also replaces the value of every database section. */
	readonly overrides?: true;
	/** A flag that makes a boolean false, whatever the flag itself says. */
	readonly negative?: string;
	readonly group: Group;
	/** One sentence, lower case, no full stop. */
	readonly help: string;
	/** What the value is called in the help. */
	readonly value?: string;
	/** Never printed; `partly`: it may hold a secret among other things. */
	readonly secret?: true | 'partly';
	/** An environment variable that is used when the option is empty. */
	readonly environment?: string;
	/** The value that a bare `--option` stands for; another one then needs `=`. */
	readonly implied?: string;
	/** With `implied`: the next argument is the value if it is one of the choices. */
	readonly takesNext?: true;
	/** Accepted and tested, and shown in no help: for old command lines. */
	readonly hidden?: true;
	/** The feature is not there yet: the option is unknown until this line is removed. */
	readonly pending?: true;
};

type Numeric = {readonly minimum?: number; readonly maximum?: number};

export type Option = Common &
	(
		| {readonly kind: 'boolean' | 'yesNo'; readonly default: boolean | undefined}
		| ({readonly kind: 'integer' | 'seconds' | 'bytes' | 'duration'; readonly default: number | undefined} & Numeric)
		| {readonly kind: 'keep' | 'interval'; readonly default: number}
		| {readonly kind: 'mode'; readonly default: number | undefined}
		| {readonly kind: 'compression'; readonly default: number | string}
		| {readonly kind: 'string'; readonly default: string; readonly required?: true}
		| {readonly kind: 'list' | 'words'; readonly default: readonly string[]}
		| {
				readonly kind: 'choice';
				readonly choices: readonly string[];
				/** Other spellings of a choice. */
				readonly aliases?: Readonly<Record<string, string>>;
				/** Blanks around and case do not matter. */
				readonly anyCase?: true;
				/** Choices that are refused until their feature is there. */
				readonly pendingChoices?: readonly string[];
				readonly default: string;
		  }
	);

/** The type of an entry's value. */
export type ValueOf<O extends Option> =
	| (O extends {kind: 'choice'; choices: readonly (infer C)[]} ? C : O extends {kind: Kind} ? Values[O['kind']] : never)
	| (O extends {default: undefined} ? undefined : never);

export type AnyValue = Values[Kind];

export type OptionTable = Readonly<Record<string, Option>>;
