/**
 * The type of an option. The options table consists of these, and the types of the settings are derived from its
 * entries.
 */

/** The kind of an option determines how its text is parsed and the type of its value. */
type Values = {
	boolean: boolean;
	/** A boolean that takes `yes` or `no` on the command line. */
	yesNo: boolean;
	/** An integer in Go's base-0 notation: 10, 0x1f, 0o17, 017, 0b1, 1_000. */
	integer: number;
	string: string;
	list: readonly string[];
	/** Split like a shell does, without expansion. */
	words: readonly string[];
	/** File permissions; undefined: determined by the umask. */
	mode: number | undefined;
	/** The number to keep; Infinity for `all`. */
	keep: number;
	/** Age in milliseconds. Negative values are in the future. */
	interval: number;
	/** Seconds: a whole number, or a duration with units. */
	seconds: number;
	/** Milliseconds. */
	duration: number;
	/** Bytes: a number with an optional K, M, G or T. */
	bytes: number;
	/** Percent, such as 20 for `20%`; 0 disables. */
	percent: number;
	/** A level as a number; `auto`, or a method with its details, as text. */
	compression: number | string;
	choice: string;
	/** Some of several choices, each at most once, in the given order; `none` is the empty list. */
	choices: readonly string[];
};
export type Kind = keyof Values;

type Common = {
	/** Absent for a setting that only exists in the config file. */
	readonly long?: string;
	readonly short?: string;
	/** The key in the config file. */
	readonly key?: string;
	/** `also`: allowed in a database section too. `only`: allowed nowhere else. */
	readonly perDatabase?: 'also' | 'only';
	/** The command line also overrides the value in every database section. */
	readonly overrides?: true;
	/** A flag that sets a boolean to false, overriding the positive flag. */
	readonly negative?: string;
	/** The option's heading in the help. */
	readonly group: string;
	/** One sentence, lower case, no full stop. */
	readonly help: string;
	/** The placeholder for the value in the help. */
	readonly value?: string;
	/** `true`: never printed. `partly`: the value may contain a secret. */
	readonly secret?: true | 'partly';
	/** An environment variable that is used when the option is empty. */
	readonly environment?: string;
	/** The value of a bare `--option`; any other value then needs `=`. */
	readonly implied?: string;
	/** With `implied`: the next argument is the value if it is one of the choices. */
	readonly takesNext?: true;
	/** Accepted and tested but not shown in the help, for old command lines. */
	readonly hidden?: true;
};

type Numeric = {readonly minimum?: number; readonly maximum?: number};

export type Option = Common &
	(
		| {readonly kind: 'boolean' | 'yesNo'; readonly default: boolean | undefined}
		| ({readonly kind: 'integer' | 'seconds' | 'bytes' | 'duration'; readonly default: number | undefined} & Numeric)
		| {readonly kind: 'keep' | 'interval' | 'percent'; readonly default: number}
		| {readonly kind: 'mode'; readonly default: number | undefined}
		| {readonly kind: 'compression'; readonly default: number | string}
		| {readonly kind: 'string'; readonly default: string; readonly required?: true}
		| {
				readonly kind: 'list';
				readonly default: readonly string[];
				/** Patterns for names of objects, in which double quotes are SQL's. */
				readonly items?: 'patterns';
		  }
		| {
				readonly kind: 'words';
				readonly default: readonly string[];
				/** A command that is run without a shell, so `$(…)` or `|` would silently not work as intended. */
				readonly refusesShellSyntax?: true;
		  }
		| {
				readonly kind: 'choice';
				readonly choices: readonly string[];
				/** Alternative spellings of a choice. */
				readonly aliases?: Readonly<Record<string, string>>;
				/** Surrounding spaces and case are ignored. */
				readonly anyCase?: true;
				readonly default: string;
		  }
		| {
				readonly kind: 'choices';
				/** Surrounding spaces and case are ignored. */
				readonly choices: readonly string[];
				readonly default: readonly never[];
		  }
	);

/** The type of an entry's value. */
export type ValueOf<O extends Option> =
	| (O extends {kind: 'choice'; choices: readonly (infer C)[]}
			? C
			: O extends {kind: 'choices'; choices: readonly (infer C)[]}
				? readonly C[]
				: O extends {kind: Kind}
					? Values[O['kind']]
					: never)
	| (O extends {default: undefined} ? undefined : never);

export type AnyValue = Values[Kind];

export type OptionTable = Readonly<Record<string, Option>>;

/** The values of a table's options. */
export type ValuesOf<T extends OptionTable> = {readonly [N in keyof T]: ValueOf<T[N]>};
