import {Box} from 'ink';
import {useEffect, useRef, useSyncExternalStore} from 'react';
import {DialogPanel} from './components/DialogPanel.js';
import {StatusLine} from './components/StatusLine.js';
import type {Frame} from './console.js';
import {tooSmall} from './layout/regions.js';
import {type Paint, PaintContext} from './paint.js';
import {Detail} from './screens/Detail.js';
import {Files} from './screens/Files.js';
import {Fleet} from './screens/Fleet.js';
import {Jobs} from './screens/Jobs.js';
import {Logs} from './screens/Logs.js';
import {Server} from './screens/Server.js';

export type FrameStore = {
	readonly subscribe: (listener: () => void) => () => void;
	readonly frame: () => Frame;
};

type Props = {
	readonly store: FrameStore;
	readonly paint: Paint;
	/** Called when the terminal has another size. */
	readonly onSized: (columns: number, rows: number) => void;
};

const screenComponents = {jobs: Jobs, detail: Detail, files: Files, logs: Logs, fleet: Fleet, server: Server} as const;

/** Renders the whole screen, exactly as wide and as high as the terminal, from one frame of the store. */
export function App({store, paint, onSized}: Props) {
	const frame = useSyncExternalStore(store.subscribe, store.frame);
	const {columns, rows} = frame;
	const isFirst = useRef(true);
	useEffect(() => {
		if (isFirst.current) isFirst.current = false;
		else onSized(columns, rows);
	}, [onSized, columns, rows]);
	return (
		<Box width={columns} height={rows} flexDirection="column">
			<PaintContext value={paint}>
				<Content frame={frame} />
			</PaintContext>
		</Box>
	);
}

function Content({frame}: {readonly frame: Frame}) {
	if (tooSmall(frame.columns, frame.rows)) return <StatusLine frame={frame} />;
	if (frame.view.dialog) return <DialogPanel frame={frame} dialog={frame.view.dialog} />;
	const Screen = screenComponents[frame.view.screen];
	return <Screen frame={frame} />;
}
