import { Stack } from '@mantine/core';
import { useState } from 'react';
import { useMe } from '../../session/me';
import { Page } from '../../ui/Page';
import { Checklist } from './Checklist';
import { FirstCall } from './FirstCall';
import { FirstKey } from './FirstKey';
import { Snippets } from './Snippets';
import { NoCode } from './NoCode';

/** A key that was just made: its secret stays in this page's memory. */
export interface FreshKey {
  name: string;
  secret: string;
}

/** From an account to a first answer, on one page that knows how far one is. */
export default function Home() {
  const [key, setKey] = useState<FreshKey | null>(null);
  const { name } = useMe();
  return (
    <Page title={`Hello, ${name}`} lead="Four steps, and your program talks to a model.">
      <Checklist />
      <Stack gap="lg">
        <FirstKey fresh={key} made={setKey} />
        <FirstCall fresh={key} />
        <Snippets />
        <NoCode />
      </Stack>
    </Page>
  );
}
