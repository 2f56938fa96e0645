import type { ReactNode } from 'react';
import classes from './Fields.module.css';

/** Fields that are about one thing, under a name that looks like a field's. */
export function Fields({ legend, children }: { legend: string; children: ReactNode }) {
  return (
    <fieldset className={classes.fields}>
      <legend className={classes.legend}>{legend}</legend>
      {children}
    </fieldset>
  );
}
