import { Switch, Text } from '@mantine/core';
import { Page } from '../../ui/Page';
import { Detail, useDetail } from '../../ui/Detail';
import { Filters } from './Filters';
import { useLook } from './filter';
import { List } from './List';
import { Request } from './Request';

/** Every request: what became of it, what it used and cost, and why it was refused. */
export default function Logs() {
  const [look, set] = useLook();
  const shown = useDetail('request');
  return (
    <Page
      title="Logs"
      lead="Every request: how it ended, what it cost, and why it was refused."
      actions={
        <Switch
          label="Live"
          checked={look.isLive}
          onChange={(event) => {
            set({ live: event.currentTarget.checked || undefined });
          }}
        />
      }
    >
      <Filters />
      {/* What was followed belongs to one way of looking. */}
      <List key={JSON.stringify([look.filter, look.span])} look={look} />
      <Detail
        isOpen={shown.id !== undefined}
        close={shown.close}
        title={
          <>
            Request
            <Text span display="block" size="xs" c="dimmed" ff="monospace">
              {shown.id}
            </Text>
          </>
        }
      >
        {shown.id !== undefined && <Request id={shown.id} />}
      </Detail>
    </Page>
  );
}
