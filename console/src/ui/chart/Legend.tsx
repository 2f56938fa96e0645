import { UnstyledButton } from '@mantine/core';
import classes from './chart.module.css';
import type { Series } from './StackedBars';

interface LegendProps {
  series: Series[];
  /** The ids of those that are not shown. */
  hidden: string[];
  change: (hidden: string[]) => void;
}

/** What the colours mean; each series can be taken out of the picture, and put back. */
export function Legend({ series, hidden, change }: LegendProps) {
  return (
    <div role="group" aria-label="Series" className={classes.legend}>
      {series.map(({ id, name, color }) => {
        const isHidden = hidden.includes(id);
        return (
          <UnstyledButton
            key={id}
            aria-pressed={!isHidden}
            className={classes.toggle}
            onClick={() => {
              change(isHidden ? hidden.filter((other) => other !== id) : [...hidden, id]);
            }}
          >
            <span className={classes.swatch} style={{ background: color }} />
            {name}
          </UnstyledButton>
        );
      })}
    </div>
  );
}
