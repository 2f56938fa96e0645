import { Button } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { api, data } from '../../api/client';
import type { Schemas } from '../../api/types';
import { Card } from '../../ui/Card';
import { Confirm } from '../../ui/Confirm';
import { DataTable, type Column } from '../../ui/DataTable';
import { FormModal } from '../../ui/FormModal';
import { StateBadge } from '../../ui/StateBadge';
import { Answered, Empty } from '../../ui/States';
import { When } from '../../ui/When';
import { NewMarkup } from './NewMarkup';
import { refreshOrganizations } from './organization';
import { percentOf } from './percent';

type Markup = Schemas['OrganizationMarkup'];

const COLUMNS: Column<Markup>[] = [
  { name: 'Model', cell: ({ model }) => model ?? 'Every model without its own' },
  { name: 'Markup', align: 'right', cell: (markup) => percentOf(markup.basis_points) },
  { name: 'State', cell: ({ state }) => <StateBadge state={state} /> },
  { name: 'From', cell: (markup) => <When at={markup.effective_at} as="minute" /> },
  { name: 'Ended', cell: (markup) => <When at={markup.ended_at} as="minute" never="" /> },
  { name: 'Actions', isNameHidden: true, align: 'right', cell: (row) => <End of={row} /> },
];

interface MarkupsProps {
  organization: { id: string; name: string };
}

/** What an organization pays on top of the price book, or less. */
export function Markups({ organization }: MarkupsProps) {
  const [isMaking, making] = useDisclosure();
  const markups = useQuery({
    queryKey: ['operator', 'organizations', 'markups', organization.id],
    queryFn: ({ signal }) =>
      data(
        api.GET('/api/operator/organizations/{organization_id}/markups', {
          params: { path: { organization_id: organization.id } },
          signal,
        }),
      ),
  });
  return (
    <Card
      title="Markups"
      text="It pays the price book’s prices, so much more or less. A rule for a model beats the general one."
      actions={
        <Button variant="default" leftSection={<IconPlus size={16} />} onClick={making.open}>
          Add a markup
        </Button>
      }
    >
      <Answered query={markups}>
        {({ data: rows }) =>
          rows.length === 0 ? (
            <Empty title="No markups" text={`${organization.name} pays what the price book says.`} />
          ) : (
            <DataTable label="Markups" columns={COLUMNS} rows={rows} keyOf={(row) => row.id} />
          )
        }
      </Answered>
      <FormModal isOpen={isMaking} close={making.close} title="Add a markup" size="lg">
        <NewMarkup organization={organization} close={making.close} />
      </FormModal>
    </Card>
  );
}

function End({ of: markup }: { of: Markup }) {
  const [isAsking, asking] = useDisclosure();
  if (markup.state !== 'in_force' && markup.state !== 'to_come') return null;
  const isToCome = markup.state === 'to_come';
  return (
    <>
      <Button variant="subtle" color="red" size="compact-sm" onClick={asking.open}>
        {isToCome ? 'Take back' : 'End'}
      </Button>
      <Confirm
        isOpen={isAsking}
        close={asking.close}
        title={`${isToCome ? 'Take back' : 'End'} ${percentOf(markup.basis_points)}?`}
        action={isToCome ? 'Take it back' : 'End it'}
        act={async () => {
          const path = { organization_id: markup.organization_id, markup_id: markup.id };
          await api.DELETE('/api/operator/organizations/{organization_id}/markups/{markup_id}', {
            params: { path },
          });
          await refreshOrganizations();
        }}
      >
        Requests from now on pay what the rules that are left say. What was charged stays.
      </Confirm>
    </>
  );
}
