/**
 * Joins the lines of one message of a PostgreSQL tool. The tools print names as they are: a line break in one would
 * otherwise make a line of its own, which may look like another message.
 */

/** The beginning of a message, or of a part with a line of its own. The first line may be that of a wrapper. */
const beginning =
	/^(?:\S*\/)?(?:psql|pg_\w+|setpriv|perl)(?:\.bin)?:|^(?:DETAIL|HINT|CONTEXT|QUERY|STATEMENT|LOCATION|LINE \d+): |^(?:connection to server |Command was: |\[)|^\s/;
/** SQL follows, which has lines of its own. */
const beginsStatement = /(?:^|: )(?:Command was|Query was|query was|QUERY|STATEMENT): |^\s/;

/** Milliseconds after which a message without a successor is complete: each is written at once. */
const QUIET_MS = 100;

export type MessageJoiner = {
	readonly push: (line: string) => void;
	readonly end: () => void;
};

/** Passes each message on, with `\n` where a name contains it. */
export function joinMessages(onMessage: (text: string) => void): MessageJoiner {
	let message: string | undefined;
	let isStatement = false;
	let timer: NodeJS.Timeout | undefined;
	const end = () => {
		clearTimeout(timer);
		const text = message;
		message = undefined;
		if (text !== undefined) onMessage(text);
	};
	return {
		push(line) {
			const begins = beginning.test(line);
			if (!begins && message !== undefined && !isStatement) message += `\n${line}`;
			else {
				end();
				message = line;
				if (begins) isStatement = beginsStatement.test(line);
			}
			clearTimeout(timer);
			timer = setTimeout(end, QUIET_MS);
		},
		end,
	};
}
